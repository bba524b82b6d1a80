"""Who changed what: the audit log as a page and as CSV, for people who manage people."""
