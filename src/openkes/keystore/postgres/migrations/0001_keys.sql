-- Names sort by their bytes, as in every other store. `id` tells an entry from one that was created under its name after
-- it was deleted; `revision` tells two values of it apart.
CREATE TABLE {keys} (
    name text COLLATE "C" PRIMARY KEY,
    value bytea NOT NULL CHECK (length(value) > 0),
    id bigint NOT NULL GENERATED ALWAYS AS IDENTITY,
    revision bigint NOT NULL DEFAULT 1
);
