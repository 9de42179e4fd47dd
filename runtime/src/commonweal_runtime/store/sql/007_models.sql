-- The model runtime makes its own tables in its own database, and reaches no other: it owns `models` and has CONNECT nowhere else.
alter database models owner to models;
