"""python -m facegap.cli"""

from facegap.cli import main

main()
