# The petition that the project ships.
SLUG = "protect-civilians-in-idlib"
