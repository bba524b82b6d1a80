"""People: who may log in, as what; invited by e-mail, changed and deactivated on pages for Admins."""
