from django.db import migrations


class Migration(migrations.Migration):
    """Nothing draws a map of constituencies, for how many signed in one is not for the public.

    The columns stay, empty in what is new, until a later release: what still runs beside this
    one reads them.
    """

    dependencies = [
        ("petitions", "0008_paused"),
    ]

    operations = [
        migrations.SeparateDatabaseAndState(
            state_operations=[
                migrations.RemoveField("place", "hex_q"),
                migrations.RemoveField("place", "hex_r"),
            ]
        )
    ]
