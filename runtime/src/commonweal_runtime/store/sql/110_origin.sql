-- Where a row that was set aside stands in its source, where the source has a place for it that people can go to: file and line, never a value.
alter table staging.refused add column origin text;
alter table staging.quarantine add column origin text;
-- After each batch its refused rows are found by their place, however many there are before them.
create index refused_place on staging.refused (product, place);
