"""The explorer: its form and filter pickers, the report as a page, its table, and its export."""
