BEGIN TRANSACTION;
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-47672e26af38e31499031ccfef096143',1,'picture','{"index":0,"name":"f8d9af2af8818cf6ff2ffb47921c1325.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-47672e26af38e31499031ccfef096143',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-111d20fb0b83807f09a5335ecf48d9fc',1,'picture','{"index":0,"name":"12a1ba7d4143e18c7e7edd21d4a2dada.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-111d20fb0b83807f09a5335ecf48d9fc',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-5328290357bba4533277ccbafb65f159',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
CREATE TABLE generations (
	number INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	spec JSON NOT NULL, 
	created_at FLOAT NOT NULL, 
	status TEXT NOT NULL, 
	key_id TEXT, 
	task_id TEXT, 
	intent_at FLOAT, 
	attempts INTEGER NOT NULL, 
	upstream_done_at FLOAT, 
	assets JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-47672e26af38e31499031ccfef096143','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null}',1.79583206861331105231e+09,'completed','e0df18cbc24bd027','task_1',1.79583206861621236805e+09,1,1.79583206879934406284e+09,'[{"url":"http://127.0.0.1:42843/media/task_1.gif","width":null,"height":null}]');
INSERT INTO "generations" VALUES(2,'chatcmpl-111d20fb0b83807f09a5335ecf48d9fc','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"07f1a02dd7a2c569bbc5c8520f834670.gif"}',1.79583206884740591052e+09,'completed','e0df18cbc24bd027','task_2',1.79583206884879970554e+09,1,1.79583206889975428586e+09,'[{"url":"http://127.0.0.1:42843/media/task_2.gif","width":null,"height":null}]');
INSERT INTO "generations" VALUES(3,'chatcmpl-5328290357bba4533277ccbafb65f159','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null}',1.79583206891650080678e+09,'failed','e0df18cbc24bd027',NULL,1.79583206891810202594e+09,1,NULL,'[]');
INSERT INTO "generations" VALUES(4,'chatcmpl-e57bd0a6cf249c5087cdb204aadb2650','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null}',1.79583206894375324242e+09,'running','e0df18cbc24bd027','task_3',1.79583206894543719297e+09,1,NULL,'[]');
INSERT INTO "generations" VALUES(5,'chatcmpl-d9f171d44ca18423bffec8f7f49d45aa','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null}',1.79583206897214293484e+09,'submitting','e0df18cbc24bd027',NULL,1.7958320689740185738e+09,1,NULL,'[]');
INSERT INTO "generations" VALUES(6,'chatcmpl-a44e83621e5743ddbd40dea99fcd74e6','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"11253d4372c62622346e4e498696e0b4.gif"}',1.79583206900689387316e+09,'queued',NULL,NULL,NULL,0,NULL,'[]');
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('f8d9af2af8818cf6ff2ffb47921c1325.gif','chatcmpl-47672e26af38e31499031ccfef096143');
INSERT INTO "pictures" VALUES('12a1ba7d4143e18c7e7edd21d4a2dada.gif','chatcmpl-111d20fb0b83807f09a5335ecf48d9fc');
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
COMMIT;
PRAGMA user_version = 1;
