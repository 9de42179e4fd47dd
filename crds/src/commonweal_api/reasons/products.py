"""Reasons of a DataProduct."""

from __future__ import annotations

from commonweal_api.reasons.names import ConditionType, Entry, Reason, no, wait, yes

_T, _R = ConditionType, Reason

PRODUCTS: dict[Reason, Entry] = {
    _R.MAPPING_VALID: yes(_T.MAPPING_VALID, "Every expression of spec.fields and spec.answers is understood and safe."),
    _R.MAPPING_INVALID: no(
        _T.MAPPING_VALID,
        "An expression uses what the mapping language does not have, or names a column or field that is not there.",
        "Correct spec.fields[].from or spec.answers[].expression that the message names.",
    ),
    _R.COMPATIBLE: yes(_T.COMPATIBLE, "The newest contract breaks nothing that a consumer reads under an agreement."),
    _R.BREAKING_CHANGE: no(
        _T.COMPATIBLE,
        "The new contract breaks what consumers read under an agreement; the contract before it stays in force.",
        "Undo the change that the message names, or raise the major number of spec.version and keep the old contract in spec.earlier until they have moved.",
    ),
    _R.SOURCE_REACHABLE: yes(
        _T.SOURCE_REACHABLE, "The source answered when it was last read, and has every column that spec.fields names."
    ),
    _R.SOURCE_UNREACHABLE: no(
        _T.SOURCE_REACHABLE,
        "The source does not answer.",
        "Check host and port, the endpoint, or the url, of spec.source, and that the network lets the department's store reach it.",
    ),
    _R.CREDENTIALS_MISSING: no(
        _T.SOURCE_REACHABLE,
        "The Secret with the source's login is missing, or lacks a key.",
        "Create the Secret that credentials.name of spec.source names, with the keys username and password, or token for an HTTP API.",
    ),
    _R.CREDENTIALS_REFUSED: no(
        _T.SOURCE_REACHABLE,
        "The source refuses the login.",
        "Correct username and password, or token, in the Secret that credentials.name of spec.source names, and let that login read the table, files or records.",
    ),
    _R.PASSWORD_EXPOSED: no(
        _T.SOURCE_REACHABLE,
        "The source asks for the password in a way that shows it to whoever answers there, or does not prove that it knows it.",
        "Let the source take SCRAM-SHA-256 (PostgreSQL) or a challenge (MySQL) from this login, or set tls.mode of spec.source to Verify.",
    ),
    _R.SOURCE_UNPROVEN: no(
        _T.SOURCE_REACHABLE,
        "The source does not prove who it is as the product demands: no TLS, or a certificate that does not hold.",
        "Let the source offer TLS with a certificate for the host of spec.source, signed by a public authority or by the one under ca.crt in the Secret.",
    ),
    _R.DATABASE_MISSING: no(
        _T.SOURCE_REACHABLE, "The source has no such database.", "Correct the database of spec.source, or create the database."
    ),
    _R.TABLE_MISSING: no(
        _T.SOURCE_REACHABLE,
        "The source has no such table, or its login may not see it.",
        "Correct the table (and schema) of spec.source, or grant SELECT on the table.",
    ),
    _R.COLUMN_MISSING: no(
        _T.SOURCE_REACHABLE,
        "The source lacks a column.",
        "Correct the column that the message names in spec.fields or spec.subject, or add it to the source.",
    ),
    _R.COLUMN_TYPE_MISMATCH: no(
        _T.SOURCE_REACHABLE,
        "A column of the source cannot be read as the type that the field declares.",
        "Correct spec.fields[].type of the field that the message names.",
    ),
    _R.SOURCE_UNSUPPORTED: no(
        _T.SOURCE_REACHABLE,
        "The store has no reader for this kind of source.",
        "Use another kind of spec.source, or a store image that has the reader that the message names.",
    ),
    _R.FILE_MISSING: no(
        _T.SOURCE_REACHABLE,
        "There is no file of that kind at that place.",
        "Correct the location in spec.source, or put the files there; their names end with .parquet, with .csv, .csv.gz or .csv.zst, or with .xlsx or .xlsm.",
    ),
    _R.FILE_UNREADABLE: no(
        _T.SOURCE_REACHABLE,
        "A file is not a complete file of its kind, or not written as spec.source says.",
        "Write the file that the message names again, or correct spec.source; move a file into place under its name only when it is complete.",
    ),
    _R.BUCKET_MISSING: no(
        _T.SOURCE_REACHABLE,
        "The object storage has no such bucket.",
        "Correct location or endpoint in spec.source, or create the bucket.",
    ),
    _R.VOLUME_MISSING: no(
        _T.SOURCE_REACHABLE,
        "There is no such PersistentVolumeClaim in the department's namespace, or it is not released as a source.",
        'Correct the location in spec.source, or create the claim with the label commonweal.dev/source: "true".',
    ),
    _R.LOCATION_REFUSED: no(
        _T.SOURCE_REACHABLE,
        "The path leads out of its volume.",
        "Remove the symbolic link that the message names, or correct the location in spec.source.",
    ),
    _R.ANSWER_REFUSED: no(
        _T.SOURCE_REACHABLE,
        "The API does not answer with the records that spec.source.http describes.",
        "Correct url, query, records, paging or watermark of spec.source.http as the message says, or the API.",
    ),
    _R.ADDRESS_REFUSED: no(
        _T.SOURCE_REACHABLE,
        "The API lies, or leads, where no source may be read: the store's own machine, an address of the local link, or another host than its first answer's.",
        "Correct url or auth.tokenUrl of spec.source.http, the name's address, or where the API leads.",
    ),
    _R.PUSHDOWN_SAFE: yes(_T.PUSHDOWN_SAFE, "Each read sends the permitted keys to the source, so no other record leaves it."),
    _R.PUSHDOWN_UNSAFE: no(
        _T.PUSHDOWN_SAFE,
        "The source cannot be asked for the permitted keys alone, so the product stays closed.",
        "Set spec.serve.mode to Replica, or remove what the message names.",
    ),
    _R.LOADED: yes(_T.LOADED, "The source has been read, and the store holds what it is to hold of it."),
    _R.LOAD_PENDING: wait(
        (_T.LOADED, _T.SOURCE_REACHABLE, _T.PUSHDOWN_SAFE),
        "The source has not been read to its end for this contract yet.",
        "Wait; it is read as soon as it can be reached.",
    ),
    _R.LOAD_FAILED: no(
        _T.LOADED,
        "Reading the source broke off; what was loaded before is kept.",
        "See the message for what the source answered; it is tried again by itself.",
    ),
    _R.ROWS_REFUSED: no(
        _T.LOADED,
        "Some records of the source break the contract; they are in quarantine with the reason, and are not served.",
        "Correct the records in the source (the message says how many break what), or the field in spec.fields.",
    ),
    _R.LOSS_REFUSED: no(
        _T.LOADED,
        "The source has lost more records than one load may take away; what was loaded before is served on.",
        "If records are missing in the source by mistake, restore them there. If the loss is meant, a steward runs the command that the message names.",
    ),
    _R.KEYS_CLASH: no(
        _T.LOADED,
        "Two people would become one under the present text of their keys; what was loaded before is served on.",
        "Correct values of that column that write one number in two ways. Where one person has said two things under two ids, they withdraw or object under "
        "their own sign-in, and can say it again after the next load.",
    ),
    _R.QUALITY_PASSED: yes(_T.QUALITY_PASSED, "Every check of spec.quality has run on the records that are served and has passed."),
    _R.NO_CHECKS: yes(_T.QUALITY_PASSED, "The product declares no checks in spec.quality, so there is nothing to fail."),
    _R.QUALITY_FAILED: no(
        _T.QUALITY_PASSED,
        "A check of spec.quality failed.",
        "Correct the records in the source, or the bounds of the check that the message names.",
    ),
    _R.QUALITY_NOT_RUN: no(
        _T.QUALITY_PASSED,
        "A check of spec.quality has not run on the records that are served, or its last result is too old, which is not passing.",
        "See the message for what kept the check from running.",
    ),
    _R.QUALITY_PENDING: wait(
        _T.QUALITY_PASSED, "No check of spec.quality has run on records that are served.", "Wait; they run after each load."
    ),
    _R.QUALITY_STOPPED: no(
        (_T.QUALITY_PASSED, _T.SERVING),
        "A check with onFail StopServing failed or did not run, so the product is closed.",
        "Correct the records in the source; it opens by itself when the check passes.",
    ),
    _R.SLA_MET: yes(_T.SLA_MET, "The records are as fresh as spec.sla promises."),
    _R.SLA_MISSED: no(
        _T.SLA_MET,
        "The records are older than spec.sla promises.",
        "See SourceReachable and Loaded for why; or lower spec.serve.refreshSeconds, or raise spec.sla.freshnessSeconds.",
    ),
    _R.SLA_PENDING: wait(_T.SLA_MET, "How fresh the records are is not known yet.", "Wait; it is known after the first load."),
    _R.SERVING: yes(_T.SERVING, "Consumers with an agreement can read the product."),
    _R.STORE_PENDING: wait(
        (_T.SERVING, _T.MAPPING_VALID, _T.ENFORCED),
        "The store has not carried out this generation.",
        "Correct what another condition names, or wait; if it stays so, see StoreReady of the Department.",
    ),
    _R.STORE_REFUSED: no(
        (_T.SERVING, _T.ENFORCED),
        "The store could not carry it out, so access stays closed.",
        "See the message for what stands in the way, correct the field that it names, and apply again.",
    ),
}
