"""``python -m mendpix``: the command, where its script is not on the path."""

from mendpix.cli import main

if __name__ == "__main__":
    main()
