"""Files → blocks of rows, in order, in bounded memory, each row with its number.

`locate.open_source` is the door.  Knows how files are written; never what their columns mean.
"""
