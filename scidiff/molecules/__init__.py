"""Molecules in three dimensions: atoms in space, their types, charges and bonds."""
