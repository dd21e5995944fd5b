"""What is to be done, and as whom: job file, command line and environment become frozen values.

Knows the operations as data.  Never knows how a row is read, mapped or sent, and never opens a
source.
"""
