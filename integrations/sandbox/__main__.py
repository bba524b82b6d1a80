"""`python -m integrations.sandbox`: the sandbox without Django."""

from __future__ import annotations

import argparse
import sys

from .options import CannotStartError, add_arguments, serve


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m integrations.sandbox", description=sys.modules[__package__].__doc__
    )
    add_arguments(parser)
    try:
        serve(vars(parser.parse_args()), _say)
    except CannotStartError as problem:
        parser.error(str(problem))


if __name__ == "__main__":
    main()
