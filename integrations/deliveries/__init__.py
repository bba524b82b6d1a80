"""FOCUS deliveries of a cost center: files from folders and uploads, imported by the worker, answered by people."""
