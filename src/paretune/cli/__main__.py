"""`python -m paretune.cli` is `paretune`."""

from paretune.cli.app import main

if __name__ == "__main__":
    main()
