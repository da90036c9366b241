BEGIN TRANSACTION;
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-f58b591019e94fdc068697a873fa67fc','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-f58b591019e94fdc068697a873fa67fc',1,'picture','{"index":0,"name":"8e15b736bb88047dd5ffb0d00ac9fc8b.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-f58b591019e94fdc068697a873fa67fc',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-f0313cb31a2e7aee599988d8464a0bfe',1,'picture','{"index":0,"name":"efc6e35da832318e32f85cb6b0188797.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-f0313cb31a2e7aee599988d8464a0bfe',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-134a7d75b53f48c19fd0c410211ba031',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
	lost INTEGER DEFAULT '0' NOT NULL, 
	listed JSON, 
	upstream_done_at FLOAT, 
	assets JSON NOT NULL, 
	ended_at FLOAT, 
	PRIMARY KEY (number), 
	UNIQUE (key_id, task_id), 
	UNIQUE (id)
);
INSERT INTO "generations" VALUES(1,'chatcmpl-f58b591019e94fdc068697a873fa67fc','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:38681/"}}',1.79583193791655874255e+09,'completed','e0df18cbc24bd027','task_1',1.7958319379261913299e+09,1,0,NULL,1.79583193816908693318e+09,'[{"url":"http://127.0.0.1:34355/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583193823697710037e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-f0313cb31a2e7aee599988d8464a0bfe','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"ee70cc3c6c80744c97cdccbe94041eef.gif","include_usage":false,"metadata":{}}',1.79583193825485062595e+09,'completed','e0df18cbc24bd027','task_2',1795831938.26732,1,0,NULL,1.79583193838255786899e+09,'[{"url":"http://127.0.0.1:34355/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583193839107894897e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-134a7d75b53f48c19fd0c410211ba031','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583193841994476322e+09,'failed','e0df18cbc24bd027',NULL,1.79583193842282295223e+09,1,0,NULL,NULL,'[]',1.79583193843110728261e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-cff0e6eb60780b7a2a53530570685dc0','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583193845429515836e+09,'running','e0df18cbc24bd027','task_3',1.79583193845733118053e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-60c4ce1a6fdd9e5f24136f715a97e4d7','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583193848809528347e+09,'submitting','e0df18cbc24bd027',NULL,1.79583193849121356007e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-adcd982df4978ca1b1fb923cbfa77f6c','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"e86cb7743bb592e4bb5b0dc9b3ae4713.gif","include_usage":false,"metadata":{}}',1.79583193852500271796e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('8e15b736bb88047dd5ffb0d00ac9fc8b.gif','chatcmpl-f58b591019e94fdc068697a873fa67fc');
INSERT INTO "pictures" VALUES('efc6e35da832318e32f85cb6b0188797.gif','chatcmpl-f0313cb31a2e7aee599988d8464a0bfe');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-f58b591019e94fdc068697a873fa67fc','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583193791655874255e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-f0313cb31a2e7aee599988d8464a0bfe','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1.79583193825485062595e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-134a7d75b53f48c19fd0c410211ba031','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583193841994476322e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-cff0e6eb60780b7a2a53530570685dc0','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583193845429515836e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-60c4ce1a6fdd9e5f24136f715a97e4d7','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583193848809528347e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-adcd982df4978ca1b1fb923cbfa77f6c','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583193852500271796e+09);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
COMMIT;
PRAGMA user_version = 2;
