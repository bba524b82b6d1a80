"""Saved views: how they are kept, and the menu, pages and tiles that show them."""
