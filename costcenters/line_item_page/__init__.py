"""The list of line items: its form, how it is read, and how each line item is told."""
