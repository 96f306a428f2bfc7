-- Runs once, when the database's volume is empty. The application gets a role that owns its
-- database and nothing else; the superuser loses its password and so can only be reached
-- from inside the database's own container.
\getenv password POSTGRES_PASSWORD
CREATE ROLE undersigned LOGIN PASSWORD :'password';
CREATE DATABASE undersigned OWNER undersigned;
REVOKE ALL ON DATABASE undersigned FROM PUBLIC;
ALTER ROLE postgres PASSWORD NULL;
