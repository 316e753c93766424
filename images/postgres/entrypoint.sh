#!/bin/sh
# Initialises PGDATA once from POSTGRES_USER, POSTGRES_PASSWORD and POSTGRES_DB, then
# runs the server as user postgres. Arguments are passed on to the server.
#
# As on RDS the superuser is rdsadmin, who can log in only inside the container; the
# user named is its database's owner and may create roles and databases. With
# /etc/penstock/tls/server.crt and server.key the server speaks TLS.
set -eu

if [ "$(id -u)" = 0 ]; then
	mkdir -p "$(dirname "$PGDATA")" /run/postgresql
	chown postgres:postgres "$(dirname "$PGDATA")" /run/postgresql
	if [ -f /etc/penstock/tls/server.crt ]; then
		mkdir -p /run/postgresql/tls
		cp /etc/penstock/tls/server.crt /etc/penstock/tls/server.key /run/postgresql/tls/
		chown -R postgres:postgres /run/postgresql/tls
		chmod 0700 /run/postgresql/tls
		chmod 0600 /run/postgresql/tls/server.key
	fi
	exec setpriv --reuid=postgres --regid=postgres --init-groups --inh-caps=-all "$0" "$@"
fi

if [ ! -d "$PGDATA" ]; then
	: "${POSTGRES_PASSWORD:?must be given to initialise the database}"
	user=${POSTGRES_USER:-postgres}
	db=${POSTGRES_DB:-$user}
	if [ "$user" = rdsadmin ]; then
		echo "POSTGRES_USER: rdsadmin is reserved" >&2
		exit 1
	fi
	# All is done in a folder beside and renamed at the end: a crash here starts anew.
	new=$PGDATA.new
	rm -rf "$new"
	initdb --pgdata="$new" --username=rdsadmin --encoding=UTF8 --locale=C.UTF-8 --auth-local=trust --auth-host=scram-sha-256 >/dev/null
	{
		echo "local all rdsadmin trust"
		echo "local all all scram-sha-256"
		echo "host all rdsadmin all reject"
		echo "host all all all scram-sha-256"
	} > "$new/pg_hba.conf"
	pg_ctl --pgdata="$new" --wait --silent --options="-c listen_addresses=''" --log=/dev/null start
	psql --quiet --no-psqlrc --username=rdsadmin --dbname=template1 \
		--set=ON_ERROR_STOP=1 --set=user="$user" --set=password="$POSTGRES_PASSWORD" --set=db="$db" <<-'SQL'
		CREATE ROLE :"user" LOGIN CREATEDB CREATEROLE PASSWORD :'password';
		GRANT pg_monitor, pg_signal_backend TO :"user" WITH ADMIN OPTION;
		SELECT format('CREATE DATABASE %I OWNER %I', :'db', :'user')
		 WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = :'db') \gexec
	SQL
	pg_ctl --pgdata="$new" --wait --silent --mode=fast stop
	sync "$new"
	mv "$new" "$PGDATA"
fi
unset POSTGRES_PASSWORD

tls=
if [ -f /run/postgresql/tls/server.crt ]; then
	tls="-c ssl=on -c ssl_cert_file=/run/postgresql/tls/server.crt -c ssl_key_file=/run/postgresql/tls/server.key"
fi
# shellcheck disable=SC2086 # the words are ours
exec postgres -D "$PGDATA" -c listen_addresses='*' -c unix_socket_directories=/run/postgresql $tls "$@"
