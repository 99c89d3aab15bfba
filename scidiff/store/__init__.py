"""What every room needs of the disk: errors in the user's words, whole-or-nothing files, safe building, model files."""
