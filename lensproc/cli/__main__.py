"""``python -m lensproc.cli``."""

from lensproc.cli import main

if __name__ == "__main__":
    main()
