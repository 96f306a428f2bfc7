-- Runs once, when the database's volume is empty. The application gets a role that owns only its
-- database. The superuser loses its password, so that it can only log in from inside the database's
-- container.
\getenv password POSTGRES_PASSWORD
CREATE ROLE undersigned LOGIN PASSWORD :'password';
CREATE DATABASE undersigned OWNER undersigned;
REVOKE ALL ON DATABASE undersigned FROM PUBLIC;
ALTER ROLE postgres PASSWORD NULL;
