"""Prisma, which connects by a JavaScript driver since version 7, and by an engine of its own before.

They take TLS from different places. The driver reads an object and ignores the URL's sslaccept and sslcert,
so a URL for Prisma 6 would connect Prisma 7 in plain text. (Driver: mariadb 3.4, of the adapter's version 7;
engine: prisma/prisma-engines, quaint/src/connector/mysql/url.rs.)
"""

from __future__ import annotations

from tidb_pe_magic.clients.base import (
    PASSWORD,
    ClientFormat,
    ClientTarget,
    ClientText,
    is_address,
    mysql_url,
    name_as_dialled,
    quoted,
    url_part,
)
from tidb_pe_magic.errors import InvalidRequest
from tidb_pe_magic.model import TlsMode


def prisma(target: ClientTarget) -> ClientText:
    """Return the module that makes the client of Prisma 7, over the adapter of Node's driver mariadb."""
    imports, tls = _tls(target)
    lines = [
        *imports,
        'import { PrismaMariaDb } from "@prisma/adapter-mariadb";',
        'import { PrismaClient } from "./generated/prisma/client";',
        "",
        "const adapter = new PrismaMariaDb({",
        f"  host: {quoted(target.host)},",
        f"  port: {target.port},",
        f"  user: {quoted(target.user)},",
        f"  password: process.env.{PASSWORD},",
        f"  database: {quoted(target.database)},",
        *tls,
        "});",
        "export const prisma = new PrismaClient({ adapter });",
    ]
    return ClientText(
        "\n".join(lines),
        notes=(
            "npm install @prisma/client@7 @prisma/adapter-mariadb@7",
            "PrismaClient is imported from the generator's output; schema.prisma has no url in it.",
            "prisma migrate and db pull take a URL in prisma.config.ts: that of --with prisma-6.",
            "Do not give that URL to the adapter: it ignores sslaccept and connects in plain text.",
        ),
    )


def _tls(target: ClientTarget) -> tuple[list[str], list[str]]:
    """Return the imports that `ssl` needs, and its lines; it takes the options of Node's tls.connect."""
    if not target.encrypted:
        return [], ["  ssl: false,"]
    imports, options = [], []
    if target.ca:
        imports.append('import { readFileSync } from "node:fs";')
        options.append(f"ca: readFileSync({quoted(target.ca)})")
    if target.tls == TlsMode.VERIFY_CA:
        options.append("checkServerIdentity: () => undefined")
    else:
        name = target.tls_name or target.host
        if is_address(name):  # which the TLS extension for names does not take
            imports.append('import { checkServerIdentity } from "node:tls";')
            check = f"checkServerIdentity({quoted(name)}, certificate)"
            options.append(f"checkServerIdentity: (_, certificate) => {check}")
        else:
            options.append(f"servername: {quoted(name)}")
    return imports, ["  ssl: {", *(f"    {option}," for option in options), "  },"]


def prisma_6(target: ClientTarget) -> ClientText:
    """Return DATABASE_URL for the engine of Prisma 6, whose one strict mode verifies chain and name.

    Raises:
        InvalidRequest: the database's name has to be encoded in a URL, which the engine does not decode.
    """
    if url_part(target.database) != target.database:
        raise InvalidRequest(
            "--database",
            "holds a character that a URL has to encode, and Prisma 6 does not decode a database's name.",
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
            "In .env, in which Prisma 6 itself expands variables; dotenv does not.",
            f"In {PASSWORD}, characters with a meaning in URLs have to be percent-encoded.",
            "Not for a driver adapter, as Prisma 7 has: it ignores sslaccept and connects in plain text.",
        ),
        warnings=name_as_dialled("Prisma 6", target),
    )


FORMATS = (
    ClientFormat("prisma", "Prisma 7", prisma, needs_database=True),
    ClientFormat("prisma-6", "Prisma 6", prisma_6, needs_database=True),
)
