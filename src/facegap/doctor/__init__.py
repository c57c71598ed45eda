"""`facegap doctor`: are the settings of a card right?"""
