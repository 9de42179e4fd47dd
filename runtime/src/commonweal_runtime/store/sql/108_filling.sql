-- Whether the rows of the load under way lie in the product's table already: its first load fills it directly, and one that begins again empties it before.
alter table staging.progress add column filling boolean not null default false;
