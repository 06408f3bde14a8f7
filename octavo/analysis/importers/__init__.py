"""Routings that other programs recorded, checked and made into traces; what they left out stays unknown."""
