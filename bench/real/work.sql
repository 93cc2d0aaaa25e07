-- An in-memory database: insert, index, join, group, text, delete.
CREATE TABLE item(id INTEGER PRIMARY KEY, name TEXT, kind INTEGER, price REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)
INSERT INTO item SELECT i, 'item ' || (i * 7919 % 60000) || substr('abcdefghijklmnopqrstuvwxyz', 1, i % 26), i % 97,
    i * 1.25 FROM n;
CREATE INDEX item_name ON item(name);
CREATE INDEX item_kind ON item(kind, price);
CREATE TABLE sale(item INTEGER, amount INTEGER);
INSERT INTO sale SELECT id * 31 % 60000 + 1, id % 5 FROM item;
SELECT kind, count(*), round(sum(price * amount), 2), max(name), length(group_concat(name)) FROM item
    JOIN sale ON sale.item = item.id GROUP BY kind ORDER BY kind LIMIT 20;
SELECT count(*), sum(length(upper(name) || lower(name))) FROM item WHERE name LIKE '%9%k%';
SELECT name, count(*) OVER (PARTITION BY kind ORDER BY price) FROM item ORDER BY name DESC LIMIT 5;
DELETE FROM item WHERE kind % 3 = 0;
SELECT count(*), round(avg(price), 3) FROM item WHERE name > 'item 3';
