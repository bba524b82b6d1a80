#!/usr/bin/env python
"""Django's command line. `demo` and `up` first write a .env with fresh keys when there is none."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "finops.settings")
    if sys.argv[1:2] in (["demo"], ["up"]):
        from finops.bootstrap import write_env_file

        write_env_file()
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.core.management import execute_from_command_line

    try:
        settings.INSTALLED_APPS  # noqa: B018  reads the settings, so that a wrong one ends in its sentence
    except ImproperlyConfigured as error:
        sys.exit(f"Onebill cannot start: {error}")
    try:
        execute_from_command_line(sys.argv)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
