/* SPDX-License-Identifier: AGPL-3.0-or-later */
/* The view's own tables: which ops there are, what objects they make, who belongs to a space. All
 * is derived from log.db; any change of this schema, or of a feature's, makes the view anew. */
#include "appliance/community/community_priv.h"

const char *const view_schema =
	"CREATE TABLE meta(id INTEGER PRIMARY KEY, value INTEGER NOT NULL) STRICT;"
	"CREATE TABLE space(num INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE,"
	" name TEXT NOT NULL DEFAULT '', about TEXT NOT NULL DEFAULT '',"
	" guest_posts TEXT NOT NULL DEFAULT '', appliance BLOB, founded INTEGER,"
	" private INTEGER NOT NULL DEFAULT 0, epoch INTEGER NOT NULL DEFAULT 0,"
	" has_key INTEGER NOT NULL DEFAULT 0) STRICT;"
	"CREATE TABLE key(num INTEGER PRIMARY KEY, key BLOB NOT NULL) STRICT;"
	/* The logs, by their numbers in log.db. */
	"CREATE TABLE log(num INTEGER PRIMARY KEY, space INTEGER NOT NULL, appliance BLOB NOT NULL,"
	" incarnation INTEGER NOT NULL, stop INTEGER NOT NULL, top INTEGER NOT NULL,"
	" top_hash BLOB) STRICT;"
	/* From seq on the log names these rules. */
	"CREATE TABLE run(log INTEGER NOT NULL, seq INTEGER NOT NULL, rules BLOB NOT NULL,"
	" PRIMARY KEY(log, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE op(num INTEGER PRIMARY KEY, prefix INTEGER NOT NULL, id BLOB NOT NULL,"
	" space INTEGER NOT NULL, object INTEGER, kind INTEGER NOT NULL, log INTEGER NOT NULL,"
	" seq INTEGER NOT NULL, author INTEGER NOT NULL, by_appliance INTEGER NOT NULL,"
	" time INTEGER NOT NULL, role INTEGER NOT NULL, flags INTEGER NOT NULL, seen BLOB) STRICT;"
	"CREATE INDEX op_by_prefix ON op(prefix);"
	"CREATE INDEX op_by_object ON op(object) WHERE object IS NOT NULL;"
	"CREATE INDEX op_of_rules ON op(space) WHERE kind = 4;"
	"CREATE INDEX op_not_opened ON op(space) WHERE kind = 7;"
	/* What a partial box still needs: see loose.c. */
	"CREATE INDEX op_absent_acts ON op(num) WHERE kind = 0 AND role >= 4;"
	/* Further entries that carry an op. */
	"CREATE TABLE place(op INTEGER NOT NULL, log INTEGER NOT NULL, seq INTEGER NOT NULL,"
	" PRIMARY KEY(op, log, seq)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE object(num INTEGER PRIMARY KEY, prefix INTEGER NOT NULL, id BLOB NOT NULL,"
	" space INTEGER NOT NULL, flags INTEGER NOT NULL, features INTEGER NOT NULL, heads BLOB,"
	" max_time INTEGER NOT NULL, max_id BLOB) STRICT;"
	"CREATE INDEX object_by_prefix ON object(prefix);"
	"CREATE INDEX object_unmade ON object(num) WHERE flags & 1 = 0;"
	"CREATE INDEX object_late ON object(num) WHERE flags & 4;"
	/* Ops that are named in an object and are not here. */
	"CREATE TABLE missing(object INTEGER NOT NULL, id BLOB NOT NULL,"
	" PRIMARY KEY(object, id)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE erase(target BLOB NOT NULL, op INTEGER NOT NULL,"
	" PRIMARY KEY(target, op)) STRICT, WITHOUT ROWID;"
	"CREATE TABLE member(space INTEGER NOT NULL, key BLOB NOT NULL, name TEXT NOT NULL,"
	" role INTEGER NOT NULL, home BLOB NOT NULL, since INTEGER NOT NULL,"
	" PRIMARY KEY(space, key)) STRICT, WITHOUT ROWID;"
	"CREATE INDEX member_by_name ON member(space, name);"
	"CREATE TABLE box(space INTEGER NOT NULL, key BLOB NOT NULL, name TEXT NOT NULL,"
	" mode INTEGER NOT NULL, keeper INTEGER NOT NULL,"
	" PRIMARY KEY(space, key)) STRICT, WITHOUT ROWID;";

#define OP_COLUMNS                                                                                 \
	"num, id, space, object, kind, log, seq, author, by_appliance, time, role, flags, seen"
#define OBJECT_COLUMNS "num, id, space, flags, features, heads, max_time, max_id"
/* Of what can't be opened enough are counted to say that they are many. */
#define SPACE_COLUMNS                                                                              \
	"id, name, about, guest_posts, appliance, founded, private, epoch, has_key,"               \
	" CASE WHEN private THEN (SELECT count(*) FROM (SELECT 1 FROM op"                          \
	" WHERE op.space = space.num AND kind = 7 LIMIT 100000)) ELSE 0 END"
#define MEMBER_COLUMNS "key, name, role, home, since"

const char *const view_sql[VIEW_STMTS] = {
	[META_GET] = "SELECT value FROM meta WHERE id = ?1",
	[META_SET] = "INSERT INTO meta(id, value) VALUES (?1, ?2)"
		     " ON CONFLICT(id) DO UPDATE SET value = excluded.value",
	[SPACE_ADD] = "INSERT INTO space(id) VALUES (?1)",
	[SPACE_SET] = "UPDATE space SET name = ?2, about = ?3, guest_posts = ?4, appliance = ?5,"
		      " founded = ?6, private = ?7, epoch = ?8, has_key = ?9 WHERE num = ?1",
	[SPACE_ALL] = "SELECT num, id FROM space ORDER BY num",
	[SPACE_LIST] = "SELECT " SPACE_COLUMNS " FROM space WHERE founded IS NOT NULL"
		       " ORDER BY private, appliance <> ?1,"
		       " CASE WHEN appliance = ?1 THEN num END, id",
	[SPACE_ID] = "SELECT " SPACE_COLUMNS " FROM space WHERE founded IS NOT NULL AND id = ?1",
	[SPACE_PRIVATE] = "SELECT private FROM space WHERE founded IS NOT NULL AND id = ?1",
	[SPACE_SHORT] = "SELECT " SPACE_COLUMNS " FROM space WHERE founded IS NOT NULL"
			" AND id >= ?1 AND id <= ?2 ORDER BY id LIMIT 1",
	[SPACE_NUM] = "SELECT num FROM space WHERE id = ?1",
	[KEY_ADD] = "INSERT INTO key(num, key) VALUES (?1, ?2)",
	[KEY_ALL] = "SELECT num, key FROM key ORDER BY num",
	[LOG_ADD] = "INSERT INTO log(num, space, appliance, incarnation, stop, top)"
		    " VALUES (?1, ?2, ?3, ?4, ?5, 0)",
	[LOG_SET] = "UPDATE log SET stop = ?2, top = ?3, top_hash = ?4 WHERE num = ?1",
	[LOG_ALL] = "SELECT num, space, appliance, incarnation, stop, top, top_hash FROM log ORDER "
		    "BY num",
	[RUN_ADD] = "INSERT OR REPLACE INTO run(log, seq, rules) VALUES (?1, ?2, ?3)",
	[RUN_CUT] = "DELETE FROM run WHERE log = ?1 AND seq >= ?2",
	[RUN_ALL] = "SELECT log, seq, rules FROM run ORDER BY log, seq",
	[RUN_NAMES] = "SELECT 1 FROM run WHERE rules = ?1 LIMIT 1",
	[OPS_ADD] = "INSERT INTO op(prefix, id, space, object, kind, log, seq, author,"
		    " by_appliance, time, role, flags, seen)"
		    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	[OPS_SET] = "UPDATE op SET object = ?2, kind = ?3, log = ?4, seq = ?5, role = ?6,"
		    " flags = ?7, seen = ?8 WHERE num = ?1",
	[OPS_DROP] = "DELETE FROM op WHERE num = ?1",
	[OPS_BY_ID] = "SELECT " OP_COLUMNS " FROM op WHERE prefix = ?1 AND id = ?2",
	[OPS_BY_NUM] = "SELECT " OP_COLUMNS " FROM op WHERE num = ?1",
	[OPS_OF_OBJECT] = "SELECT " OP_COLUMNS " FROM op WHERE object = ?1 AND num > ?2"
			  " ORDER BY num LIMIT ?3",
	[OPS_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM op WHERE object = ?1 LIMIT ?2)",
	[OPS_OF_SPACE] = "SELECT " OP_COLUMNS " FROM op WHERE num > ?2 AND space = ?1"
			 " AND kind NOT IN (3, 4) ORDER BY num LIMIT ?3",
	[OPS_OF_RULES] = "SELECT " OP_COLUMNS " FROM op WHERE space = ?1 AND kind = 4"
			 " AND num > ?2 ORDER BY num LIMIT ?3",
	[OPS_NOT_OPENED] = "SELECT " OP_COLUMNS " FROM op WHERE space = ?1 AND kind = 7"
			   " AND num > ?2 ORDER BY num LIMIT ?3",
	[OPS_THAT_ERASE] = "SELECT " OP_COLUMNS " FROM op WHERE space = ?1 AND kind = 5",
	[OPS_SEALED_ALL] = "SELECT " OP_COLUMNS " FROM op WHERE num > ?2 AND space = ?1"
			   " AND flags & 4 AND kind <> 6 ORDER BY num LIMIT ?3",
	[OPS_IN_LOG] = "SELECT " OP_COLUMNS " FROM op WHERE num > ?2 AND log = ?1"
		       " AND seq >= ?4 ORDER BY num LIMIT ?3",
	[OPS_ERASE] = "SELECT " OP_COLUMNS " FROM op WHERE num IN"
		      " (SELECT op FROM erase WHERE target = ?1)",
	[OPS_OBJECT] = "SELECT o.id, s.id, p.kind FROM op p JOIN space s ON s.num = p.space"
		       " LEFT JOIN object o ON o.num = p.object WHERE p.prefix = ?1 AND p.id = ?2",
	[LOGS_OF_AUTHOR] =
		"SELECT log, count(*) FROM (SELECT log FROM op WHERE space = ?1 AND author = ?2"
		" UNION ALL SELECT p.log FROM op o JOIN place p ON p.op = o.num"
		" WHERE o.space = ?1 AND o.author = ?2) GROUP BY log",
	/* Ops whose payload is not here, of people who moderate. */
	[OPS_NEEDED] = "SELECT " OP_COLUMNS " FROM op WHERE kind = 0 AND role >= 4 AND num > ?1"
		       " ORDER BY num LIMIT ?2",
	[PLACE_ADD] = "INSERT OR IGNORE INTO place(op, log, seq) VALUES (?1, ?2, ?3)",
	[PLACE_DROP] = "DELETE FROM place WHERE op = ?1 AND log = ?2 AND seq = ?3",
	[PLACE_OF] = "SELECT log, seq FROM place WHERE op = ?1",
	[PLACE_IN_LOG] = "SELECT op, seq FROM place WHERE log = ?1 AND seq >= ?2",
	[OBJECT_ADD] = "INSERT INTO object(prefix, id, space, flags, features, max_time)"
		       " VALUES (?1, ?2, ?3, 0, 0, 0)",
	[OBJECT_SET] = "UPDATE object SET flags = ?2, features = ?3, heads = ?4, max_time = ?5,"
		       " max_id = ?6 WHERE num = ?1",
	[OBJECT_BY_ID] = "SELECT " OBJECT_COLUMNS
			 " FROM object WHERE prefix = ?1 AND id = ?2 AND space = ?3",
	[OBJECT_OPS] = "SELECT o.id FROM object b JOIN op o ON o.object = b.num"
		       " WHERE b.prefix = ?1 AND b.id = ?2 LIMIT ?3",
	[OBJECT_BY_NUM] = "SELECT " OBJECT_COLUMNS " FROM object WHERE num = ?1",
	[OBJECT_AFTER] = "SELECT " OBJECT_COLUMNS " FROM object WHERE num > ?1 ORDER BY num LIMIT 1",
	/* Of which something is here, and not what it began with (flag 1: OBJECT_MADE). */
	[OBJECT_UNMADE] = "SELECT o.id FROM object o WHERE o.flags & 1 = 0 AND EXISTS"
			  " (SELECT 1 FROM op WHERE object = o.num AND kind IN (1, 2))"
			  " ORDER BY o.num DESC LIMIT ?1",
	/* Flag 4: OBJECT_LATE. */
	[OBJECT_IS_LATE] = "SELECT 1 FROM object WHERE prefix = ?1 AND id = ?2 AND flags & 4",
	[OBJECT_NEXT_LATE] = "SELECT num FROM object WHERE flags & 4 AND num > ?1"
			     " ORDER BY num LIMIT 1",
	[MISSING_OF] = "SELECT m.id FROM missing m JOIN object o ON o.num = m.object"
		       " JOIN space s ON s.num = o.space"
		       " WHERE o.prefix = ?1 AND o.id = ?2 AND s.id = ?3 ORDER BY m.id LIMIT ?4",
	[MISSING_ADD] = "INSERT OR IGNORE INTO missing(object, id) VALUES (?1, ?2)",
	[MISSING_GET] = "SELECT 1 FROM missing WHERE object = ?1 AND id = ?2",
	[MISSING_DROP] = "DELETE FROM missing WHERE object = ?1",
	[ERASE_ADD] = "INSERT OR IGNORE INTO erase(target, op) VALUES (?1, ?2)",
	[ERASE_DROP] = "DELETE FROM erase WHERE op = ?1",
	[ERASE_TARGETS] = "SELECT target FROM erase WHERE op = ?1",
	[ERASE_COUNT] = "SELECT count(*) FROM erase",
	[ERASE_ALL] = "SELECT DISTINCT target FROM erase",
	[MEMBER_CLEAR] = "DELETE FROM member WHERE space = ?1",
	[MEMBER_PUT] = "INSERT OR REPLACE INTO member(space, key, name, role, home, since)"
		       " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[MEMBER_DROP] = "DELETE FROM member WHERE space = ?1 AND key = ?2",
	[MEMBER_LIST] = "SELECT " MEMBER_COLUMNS " FROM member WHERE space = ?1"
			" ORDER BY name COLLATE NOCASE, key",
	[MEMBER_GET] = "SELECT " MEMBER_COLUMNS " FROM member WHERE space = ?1 AND key = ?2",
	/* Of two with one name the one that is trusted with more; never by a date that was claimed. */
	[MEMBER_BY_NAME] = "SELECT " MEMBER_COLUMNS " FROM member WHERE space = ?1 AND name = ?2"
			   " ORDER BY role DESC, key LIMIT 1",
	[MEMBER_DIGEST] = "SELECT " MEMBER_COLUMNS " FROM member WHERE space = ?1 ORDER BY key",
	[BOX_CLEAR] = "DELETE FROM box WHERE space = ?1",
	[BOX_PUT] = "INSERT OR REPLACE INTO box(space, key, name, mode, keeper)"
		    " VALUES (?1, ?2, ?3, ?4, ?5)",
	[BOX_DROP] = "DELETE FROM box WHERE space = ?1 AND key = ?2",
	[BOX_LIST] = "SELECT key, name, mode, keeper FROM box WHERE space = ?1"
		     " ORDER BY name COLLATE NOCASE, key",
	[BOX_DIGEST] = "SELECT key, name, mode, keeper FROM box WHERE space = ?1 ORDER BY key",
};
