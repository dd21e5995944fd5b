"""Runs that have been: which belong together, what became of a row, what is sent again, what goes.

Reads the folders of runs, and writes what a new run starts from; never sends.
"""
