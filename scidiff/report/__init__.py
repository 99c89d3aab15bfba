"""A page to look at: one HTML file that holds all it shows, asks nothing of any network, and knows no science.

The rooms above bring sections; here is what they are made of (tables, charts, packed data) and the page around them.
"""
