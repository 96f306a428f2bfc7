"""Fill a petition with sample signatures of invented people."""

import os
import secrets
import time
from argparse import ArgumentParser, ArgumentTypeError
from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction
from tqdm import tqdm

from petitions import seeding, tallies
from petitions.models import Petition

SAMPLE_MODERATOR = "sample-moderator"
MOST = 20_000_000


class Command(BaseCommand):
    """1. Refuse in production: samples cannot be told from signatures afterwards.
    2. Invent signatures in batches, in every state, and copy them in; progress on the terminal.
    3. Write the count afresh. All of it is one transaction: an interruption leaves nothing.
    """

    help = "Add sample signatures of invented people to a petition, for trying and measuring."
