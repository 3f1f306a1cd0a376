"""Prisma, which connects with a JavaScript driver since version 7, and with its own engine before.

They read different TLS settings. The driver takes an object and ignores the URL's sslaccept and sslcert,
so a URL for Prisma 6 would connect Prisma 7 in plain text. (Driver: mariadb 3.4, of adapter version 7;
engine: prisma/prisma-engines, quaint/src/connector/mysql/url.rs.)
"""

from __future__ import annotations

from tidb_pe_magic.clients.base import (
    PASSWORD,
    ClientFormat,
    ClientTarget,
    ClientText,
    dialed_name_warning,
    mysql_url,
    quote_literal,
    url_part,
)
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import TlsMode
from tidb_pe_magic.model.networks import is_address


def prisma(target: ClientTarget) -> ClientText:
    """Return the module that creates the client of Prisma 7, over the adapter of Node's driver mariadb."""
    imports, tls = _tls(target)
    lines = [
        *imports,
        'import { PrismaMariaDb } from "@prisma/adapter-mariadb";',
        'import { PrismaClient } from "./generated/prisma/client";',
        "",
        "const adapter = new PrismaMariaDb({",
        f"  host: {quote_literal(target.host)},",
        f"  port: {target.port},",
        f"  user: {quote_literal(target.user)},",
        f"  password: process.env.{PASSWORD},",
        f"  database: {quote_literal(target.database)},",
        *tls,
        "});",
        "export const prisma = new PrismaClient({ adapter });",
    ]
    return ClientText(
        "\n".join(lines),
        notes=(
            "npm install @prisma/client@7 @prisma/adapter-mariadb@7",
            "PrismaClient is imported from the generator's output; schema.prisma contains no url.",
            "prisma migrate and db pull read a URL from prisma.config.ts: use the one of --with prisma-6.",
            "Do not give that URL to the adapter: it ignores sslaccept and connects in plain text.",
        ),
    )


def _tls(target: ClientTarget) -> tuple[list[str], list[str]]:
    """Return the imports that `ssl` needs, and its lines; its options are those of Node's tls.connect."""
    if not target.encrypted:
        return [], ["  ssl: false,"]
    imports, options = [], []
    if target.ca:
        imports.append('import { readFileSync } from "node:fs";')
        options.append(f"ca: readFileSync({quote_literal(target.ca)})")
    if target.tls == TlsMode.VERIFY_CA:
        options.append("checkServerIdentity: () => undefined")
    else:
        name = target.tls_name or target.host
        if is_address(name):  # not allowed in the TLS server name extension
            imports.append('import { checkServerIdentity } from "node:tls";')
            check = f"checkServerIdentity({quote_literal(name)}, certificate)"
            options.append(f"checkServerIdentity: (_, certificate) => {check}")
        else:
            options.append(f"servername: {quote_literal(name)}")
    return imports, ["  ssl: {", *(f"    {option}," for option in options), "  },"]


def prisma_6(target: ClientTarget) -> ClientText:
    """Return DATABASE_URL for the engine of Prisma 6; its only strict mode verifies chain and name together.

    Raises:
        InvalidRequest: a URL has to encode the database's name, and the engine does not decode it.
    """
    if url_part(target.database) != target.database:
        raise InvalidRequest(
            "--database",
            "contains a character that a URL has to encode, and Prisma 6 does not decode database names.",
        )
    parameters: dict[str, str] = {}
    if target.encrypted:
        parameters["sslaccept"] = "strict"
        if target.ca:
            parameters["sslcert"] = target.ca
    return ClientText(
        f'DATABASE_URL="{mysql_url(target, parameters, password=f"${{{PASSWORD}}}")}"',
        notes=(
            'In schema.prisma: provider = "mysql", url = env("DATABASE_URL")',
            "Put it in .env. Prisma 6 itself expands variables there; dotenv does not.",
            f"Percent-encode characters in {PASSWORD} that have a meaning in URLs.",
            "Not for a driver adapter (Prisma 7), which ignores sslaccept and connects in plain text.",
        ),
        warnings=dialed_name_warning("Prisma 6", target),
    )


FORMATS = (
    ClientFormat("prisma", "Prisma 7", prisma, needs_database=True),
    ClientFormat("prisma-6", "Prisma 6", prisma_6, needs_database=True),
)
