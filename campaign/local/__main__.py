"""`python -m campaign.local run` is `make run` without installing; `clean` is `make clean`."""

import sys

from campaign.local import command

if __name__ == "__main__":
    sys.exit(command.main(sys.argv[1:]))
