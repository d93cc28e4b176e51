"""`python -m paretune` is the `paretune` command."""

from paretune.cli import main

if __name__ == "__main__":
    main()
