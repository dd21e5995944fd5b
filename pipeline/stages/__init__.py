"""The steps of a row's journey, one noun each; they do not know each other (journey.py does)."""
