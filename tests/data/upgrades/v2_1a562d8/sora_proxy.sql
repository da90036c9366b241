BEGIN TRANSACTION;
CREATE TABLE audit (
	number INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	at FLOAT NOT NULL, 
	who TEXT NOT NULL, 
	address TEXT, 
	action TEXT NOT NULL, 
	target TEXT NOT NULL, 
	changes JSON NOT NULL
);
INSERT INTO "audit" VALUES(1,1.79583194788737511636e+09,'admin key','127.0.0.1','session.begin','','{}');
INSERT INTO "audit" VALUES(2,1795831947.89671,'admin key','127.0.0.1','settings.change','VERBOSE_LOGGING','{"VERBOSE_LOGGING":[false,true]}');
CREATE TABLE conversations (
	number INTEGER NOT NULL, 
	generation_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	messages JSON NOT NULL, 
	PRIMARY KEY (number), 
	UNIQUE (generation_id)
);
INSERT INTO "conversations" VALUES(1,'chatcmpl-e23848e9ce2eb9844c79551b744cf364','1286f4dd85c5f006','[["user","a red fox"]]');
CREATE TABLE events (
	generation_id TEXT NOT NULL, 
	number INTEGER NOT NULL, 
	kind TEXT NOT NULL, 
	fields JSON NOT NULL, 
	PRIMARY KEY (generation_id, number)
);
INSERT INTO "events" VALUES('chatcmpl-e23848e9ce2eb9844c79551b744cf364',1,'picture','{"index":0,"name":"1d7516aa6ebc7ab8ad3968ac0d0138cc.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-e23848e9ce2eb9844c79551b744cf364',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-b04532a73432e2c6e6fbce8764dac964',1,'picture','{"index":0,"name":"0ca4afea280ce0943f41f92db501feee.gif","url":null}');
INSERT INTO "events" VALUES('chatcmpl-b04532a73432e2c6e6fbce8764dac964',2,'completed','{}');
INSERT INTO "events" VALUES('chatcmpl-cb1b391bcde1e35289ca92616c281264',1,'failed','{"code":"content_policy_violation","message":"the back end refused the order: it is against its rules"}');
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
INSERT INTO "generations" VALUES(1,'chatcmpl-e23848e9ce2eb9844c79551b744cf364','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a red fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{"webhook_url":"http://127.0.0.1:46959/"}}',1.79583194790385031703e+09,'completed','e0df18cbc24bd027','task_1',1.79583194791182088846e+09,1,0,NULL,1.79583194810575795174e+09,'[{"url":"http://127.0.0.1:40687/media/task_1.gif","width":null,"height":null,"id":null}]',1.79583194815238404275e+09);
INSERT INTO "generations" VALUES(2,'chatcmpl-b04532a73432e2c6e6fbce8764dac964','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"the same fox in the snow","n":1,"width":720,"height":480,"image":"6b73b0f8f29ec9d58e6c96fd2a6d7808.gif","include_usage":false,"metadata":{}}',1795831948.17987,'completed','e0df18cbc24bd027','task_2',1.79583194819226694104e+09,1,0,NULL,1.79583194820546579364e+09,'[{"url":"http://127.0.0.1:40687/media/task_2.gif","width":null,"height":null,"id":null}]',1.79583194821151685715e+09);
INSERT INTO "generations" VALUES(3,'chatcmpl-cb1b391bcde1e35289ca92616c281264','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox that fails","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583194823457169535e+09,'failed','e0df18cbc24bd027',NULL,1.79583194823707580564e+09,1,0,NULL,NULL,'[]',1.795831948244134903e+09);
INSERT INTO "generations" VALUES(4,'chatcmpl-5785817b7534673187b58814a29cf901','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a running fox","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583194826476407052e+09,'running','e0df18cbc24bd027','task_3',1.79583194826717305186e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(5,'chatcmpl-c05717c9ea58f2a1bf7875671be3b27b','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a fox on its way","n":1,"width":720,"height":480,"image":null,"include_usage":false,"metadata":{}}',1.79583194829407048224e+09,'submitting','e0df18cbc24bd027',NULL,1.79583194829713153842e+09,1,0,NULL,NULL,'[]',NULL);
INSERT INTO "generations" VALUES(6,'chatcmpl-166fb19be2688619505ec2b65ed3e00d','1286f4dd85c5f006','{"model":"sora-1.0","prompt":"a waiting fox","n":1,"width":720,"height":480,"image":"17b06801d05ee0becdc11c3a49cab76b.gif","include_usage":false,"metadata":{}}',1.79583194832564878458e+09,'queued',NULL,NULL,NULL,0,0,NULL,NULL,'[]',NULL);
CREATE TABLE pictures (
	name TEXT NOT NULL, 
	generation_id TEXT NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "pictures" VALUES('1d7516aa6ebc7ab8ad3968ac0d0138cc.gif','chatcmpl-e23848e9ce2eb9844c79551b744cf364');
INSERT INTO "pictures" VALUES('0ca4afea280ce0943f41f92db501feee.gif','chatcmpl-b04532a73432e2c6e6fbce8764dac964');
CREATE TABLE sent_requests (
	answer_id TEXT NOT NULL, 
	client TEXT NOT NULL, 
	"key" TEXT, 
	digest TEXT NOT NULL, 
	created_at FLOAT NOT NULL, 
	PRIMARY KEY (answer_id), 
	UNIQUE (client, "key")
);
INSERT INTO "sent_requests" VALUES('chatcmpl-e23848e9ce2eb9844c79551b744cf364','1286f4dd85c5f006','a red fox','66ec0194b8101e245bb21551764e3711e9bb1766397244165c6845d66085b1e6',1.79583194790385031703e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-b04532a73432e2c6e6fbce8764dac964','1286f4dd85c5f006','the same fox in the snow','47186bf11fdb1985db397ee61c62fe2186fe58adab262d8ddc32c26d8c928d34',1795831948.17987);
INSERT INTO "sent_requests" VALUES('chatcmpl-cb1b391bcde1e35289ca92616c281264','1286f4dd85c5f006','a fox that fails','53fa9705eb5501d518e8a41edd1329fb1fd33d5dcfebb3b2ebcf183d44fb5d84',1.79583194823457169535e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-5785817b7534673187b58814a29cf901','1286f4dd85c5f006','a running fox','d8ff4486a522e7712579d18aa2c4d86b6a20295f33279b9a02de9c6179f0ed72',1.79583194826476407052e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-c05717c9ea58f2a1bf7875671be3b27b','1286f4dd85c5f006','a fox on its way','c03fee91426436be07aef3c4f7d09850170e8eb9c1b9a06aeacf36977cbe7217',1.79583194829407048224e+09);
INSERT INTO "sent_requests" VALUES('chatcmpl-166fb19be2688619505ec2b65ed3e00d','1286f4dd85c5f006','a waiting fox','207bed5fb96ae5093e15fae2ee0dbf9dd3d4e2f59dd80dc4af81ce10531ab253',1.79583194832564878458e+09);
CREATE TABLE settings (
	name TEXT NOT NULL, 
	value JSON NOT NULL, 
	PRIMARY KEY (name)
);
INSERT INTO "settings" VALUES('VERBOSE_LOGGING','true');
CREATE TABLE usage (
	key_id TEXT NOT NULL, 
	day TEXT NOT NULL, 
	sent INTEGER NOT NULL, 
	accepted INTEGER NOT NULL, 
	refused INTEGER NOT NULL, 
	completed INTEGER NOT NULL, 
	failed INTEGER NOT NULL, 
	pictures INTEGER NOT NULL, 
	PRIMARY KEY (key_id, day)
);
INSERT INTO "usage" VALUES('e0df18cbc24bd027','2026-11-28',5,3,1,2,0,2);
CREATE INDEX ix_generations_status ON generations (status);
CREATE INDEX ix_pictures_generation_id ON pictures (generation_id);
CREATE INDEX ix_conversations_client ON conversations (client);
CREATE INDEX ix_sent_requests_created_at ON sent_requests (created_at);
CREATE INDEX ix_sent_requests_digest ON sent_requests (client, digest);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',2);
COMMIT;
PRAGMA user_version = 2;
