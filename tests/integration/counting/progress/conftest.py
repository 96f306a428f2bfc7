"""A petition that has been open for a month, and a constituency in each region."""

import pytest

from petitions.models import (
    Petition,
    Place,
    Region,
)
from tests.course import (
    DAY,
    NIGHT,
)


@pytest.fixture(autouse=True)
def _open_for_long(petition: Petition) -> None:
    petition.opens_at = NIGHT - 30 * DAY
    petition.save()


@pytest.fixture
def constituencies(places: None) -> dict[str, Place]:
    """One constituency in each region, by the region's code."""
    return {
        region: Place.objects.create(
            code=f"X{number:08}",
            kind=Place.Kind.CONSTITUENCY,
            name=f"Place {number}",
            region=region,
        )
        for number, region in enumerate(Region.values)
    }
