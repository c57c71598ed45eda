"""Groups of people by skin tone: scales as data, measurement, annotation and agreement of annotators."""
