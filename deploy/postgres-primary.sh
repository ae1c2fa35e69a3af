# The image of PostgreSQL runs this once, in a new cluster: a standby may connect, and commits wait for it from the
# next start on. (During this one there is none yet.)
echo "host replication all samenet scram-sha-256" >> "$PGDATA/pg_hba.conf"
psql --username="$POSTGRES_USER" --dbname="$POSTGRES_DB" --set=ON_ERROR_STOP=1 \
  --command="ALTER SYSTEM SET synchronous_standby_names = '*'"
