"""Exports of the whole ledger: the page, the download, the API."""
