"""Other languages: Java, Go, JavaScript and Rust."""

from __future__ import annotations

import json
import shlex

from tidb_pe_magic.clients.base import (
    PASSWORD,
    ClientFormat,
    ClientTarget,
    ClientText,
    chain_alone,
    mysql_url,
    quote_literal,
    ssl_mode,
    url_part,
)
from tidb_pe_magic.model import TlsMode
from tidb_pe_magic.model.networks import is_address

# Not a secret: the trust store only holds an authority's public certificate.
_STORE_PASSWORD = "changeit"  # noqa: S105


def jdbc_properties(target: ClientTarget) -> dict[str, str]:
    """Return Connector/J's TLS properties; without a CA file, Java's own authorities are used."""
    properties = {"sslMode": ssl_mode(target)}
    if target.encrypted and target.ca:
        properties["trustCertificateKeyStoreUrl"] = f"file:{url_part(_store(target)).replace('%2F', '/')}"
        properties["trustCertificateKeyStoreType"] = "PKCS12"
        properties["trustCertificateKeyStorePassword"] = _STORE_PASSWORD
    return properties


def jdbc_notes(target: ClientTarget) -> tuple[str, ...]:
    """Return how to create the trust store that Java reads instead of a PEM file."""
    if not (target.encrypted and target.ca):
        return ()
    command = ["keytool", "-importcert", "-noprompt", "-alias", "tidb", "-file", target.ca]
    command += ["-keystore", _store(target), "-storetype", "PKCS12", "-storepass", _STORE_PASSWORD]
    return (f"Java reads authorities from a trust store. Create it once: {shlex.join(command)}",)


def _store(target: ClientTarget) -> str:
    return f"{target.ca}.p12"


def jdbc_url(target: ClientTarget, properties: dict[str, str] | None = None) -> str:
    """Return the URL of MySQL Connector/J, without user and password."""
    parameters = "&".join(f"{name}={url_part(value)}" for name, value in (properties or {}).items())
    address = f"jdbc:mysql://{target.address}/{url_part(target.database)}"
    return f"{address}?{parameters}" if parameters else address


def jdbc(target: ClientTarget) -> ClientText:
    """Return the call of JDBC with MySQL Connector/J."""
    lines = [
        "var connection = java.sql.DriverManager.getConnection(",
        f"    {json.dumps(jdbc_url(target, jdbc_properties(target)))},",
        f"    {json.dumps(target.user)},",
        f'    System.getenv("{PASSWORD}"));',
    ]
    return ClientText(
        "\n".join(lines),
        notes=("Maven: com.mysql:mysql-connector-j", *jdbc_notes(target)),
        warnings=chain_alone("Connector/J", target),
    )


_GO_CHAIN = """\
	config.TLS.InsecureSkipVerify = true // the chain is verified below, the name is not
	config.TLS.VerifyConnection = func(state tls.ConnectionState) error {
		options := x509.VerifyOptions{Roots: roots, Intermediates: x509.NewCertPool()}
		for _, certificate := range state.PeerCertificates[1:] {
			options.Intermediates.AddCert(certificate)
		}
		_, err := state.PeerCertificates[0].Verify(options)
		return err
	}"""


def go(target: ClientTarget) -> ClientText:
    """Return a function that opens the database with go-sql-driver/mysql."""
    imports = {"database/sql", "os"}
    before: list[str] = []
    tls: list[str] = []
    if target.encrypted:
        imports |= {"crypto/tls"}
        before, tls = _go_tls(target)
        if before:
            imports |= {"crypto/x509"}
        if target.ca:
            imports |= {"errors"}
    config = [
        "\tconfig := mysql.NewConfig()",
        '\tconfig.Net = "tcp"',
        f"\tconfig.Addr = {quote_literal(target.address)}",
        f"\tconfig.User = {quote_literal(target.user)}",
        f'\tconfig.Passwd = os.Getenv("{PASSWORD}")',
        *([f"\tconfig.DBName = {quote_literal(target.database)}"] if target.database else []),
    ]
    lines = [
        "import (",
        *(f'\t"{name}"' for name in sorted(imports)),
        "",
        '\t"github.com/go-sql-driver/mysql"',
        ")",
        "",
        "func open() (*sql.DB, error) {",
        *before,
        *config,
        *tls,
        "\tconnector, err := mysql.NewConnector(config)",
        "\tif err != nil {",
        "\t\treturn nil, err",
        "\t}",
        "\treturn sql.OpenDB(connector), nil",
        "}",
    ]
    return ClientText("\n".join(lines), notes=("go get github.com/go-sql-driver/mysql",))


def _go_tls(target: ClientTarget) -> tuple[list[str], list[str]]:
    """Return the lines that create `roots`, if needed, and those of the TLS settings."""
    before: list[str] = []
    if target.ca:
        before = [
            f"\tpem, err := os.ReadFile({quote_literal(target.ca)})",
            "\tif err != nil {",
            "\t\treturn nil, err",
            "\t}",
            "\troots := x509.NewCertPool()",
            "\tif !roots.AppendCertsFromPEM(pem) {",
            '\t\treturn nil, errors.New("no certificate in the CA file")',
            "\t}",
        ]
    elif target.tls == TlsMode.VERIFY_CA:
        before = ["\tvar roots *x509.CertPool // the system's"]
    settings = ["\tconfig.TLS = &tls.Config{MinVersion: tls.VersionTLS12}"]
    if target.tls == TlsMode.VERIFY_CA:
        return before, [*settings, _GO_CHAIN]
    if target.ca:
        settings.append("\tconfig.TLS.RootCAs = roots")
    settings.append(f"\tconfig.TLS.ServerName = {quote_literal(target.tls_name or target.host)}")
    return before, settings


def node(target: ClientTarget) -> ClientText:
    """Return the call of Node's mysql2; a different TLS name needs that name as host, and its own socket."""
    place, ssl = [f"  host: {quote_literal(target.host)},"], ["  ssl: undefined,"]
    imports = ['const mysql = require("mysql2/promise");']
    if target.encrypted:
        ca = f'ca: require("fs").readFileSync({quote_literal(target.ca)}), ' if target.ca else ""
        identity = str(target.tls == TlsMode.VERIFY_IDENTITY).lower()
        ssl = [f'  ssl: {{ {ca}minVersion: "TLSv1.2", verifyIdentity: {identity} }},']
    if target.by_other_name:
        dialled = f"{{ host: {quote_literal(target.host)}, port: {target.port} }}"
        place = [
            f"  host: {quote_literal(target.tls_name)}, // the name in the certificate",
            f'  stream: () => require("net").connect({dialled}), // the host to connect to',
        ]
    lines = [
        *imports,
        "",
        "const open = () => mysql.createConnection({",
        *place,
        f"  port: {target.port},",
        f"  user: {quote_literal(target.user)},",
        f"  password: process.env.{PASSWORD},",
        *([f"  database: {quote_literal(target.database)},"] if target.database else []),
        *ssl,
        "});",
    ]
    warnings: tuple[str, ...] = ()
    if target.tls == TlsMode.VERIFY_IDENTITY and is_address(target.tls_name or target.host):
        expected = "it expects localhost in the certificate instead"
        warnings = (f"mysql2 cannot verify an IP address: {expected}. Use the host's name, or --tls-name.",)
    return ClientText("\n".join(lines), notes=("npm install mysql2",), warnings=warnings)


def rust(target: ClientTarget) -> ClientText:
    """Return the options of Rust's sqlx, from a URL; the password is added separately."""
    parameters = {"ssl-mode": ssl_mode(target)}
    if target.encrypted and target.ca:
        parameters["ssl-ca"] = target.ca
    lines = [
        "let options: sqlx::mysql::MySqlConnectOptions =",
        f"    {quote_literal(mysql_url(target, parameters))}.parse()?;",
        "let pool = sqlx::MySqlPool::connect_with(",
        f'    options.password(&std::env::var("{PASSWORD}")?)).await?;',
    ]
    return ClientText(
        "\n".join(lines),
        notes=("cargo add sqlx --features mysql,runtime-tokio,tls-rustls-ring-native-roots",),
        warnings=chain_alone("sqlx", target),
    )


FORMATS = (
    ClientFormat("jdbc", "Java (JDBC, MySQL Connector/J)", jdbc),
    ClientFormat("go", "Go (go-sql-driver/mysql)", go),
    ClientFormat("node", "Node.js (mysql2)", node),
    ClientFormat("rust", "Rust (sqlx)", rust),
)
