"""Check how guessable a new password is, by zxcvbn's estimate."""

from typing import Any

from django.contrib.auth.models import User
from django.core.exceptions import ValidationError

# zxcvbn's scale goes from 0 to 4; 3 means more than 10^8 guesses, "safely unguessable".
MIN_SCORE = 3
# Only so many characters are checked, because the time grows faster than the length.
MAX_CHARACTERS = 72
_OWN_WORDS = ("undersigned", "petition", "signature", "moderator", "organiser", "administrator")


class GuessablePasswordValidator:
    """Refuse common, repeated and dictionary passwords, and those made of the user's own data.

    It replaces Django's `CommonPasswordValidator` and `UserAttributeSimilarityValidator`, which
    accept "passwordpassword".
    """

    def validate(self, password: str, user: User | None = None) -> None:
        """Raise `ValidationError` if too few guesses would find the password."""
        # Imported here because it loads a megabyte of word lists, which most processes never need.
        from zxcvbn import zxcvbn

        own: list[Any] = [*_OWN_WORDS]
        if user:
            own += [user.username, user.first_name, user.last_name, *user.email.split("@")]
        found = zxcvbn(password[:MAX_CHARACTERS], user_inputs=[word for word in own if word])
        if found["score"] < MIN_SCORE:
            raise ValidationError(self.get_help_text(), code="password_too_guessable")

    def get_help_text(self) -> str:
        return (
            "Easily guessed passwords are refused: words, names, dates and keyboard rows, also "
            "when they are repeated. Use four random words, or a password that a password "
            "manager makes."
        )
