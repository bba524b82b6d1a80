"""The overview: the sums behind it, and each of its parts."""
