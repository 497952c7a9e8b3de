// An AWS SDK for JavaScript that nobody has told anything but what a pod's variables say. It reads an object and tries to write it.
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const [Bucket, Key] = process.argv.slice(2);
const s3 = new S3Client({});
const said = async (ask) => ask().catch((e) => `${e.name}: ${e.message}`);

console.log(await said(async () => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString()));
console.log(await said(async () => s3.send(new PutObjectCommand({ Bucket, Key, Body: "x" })).then(() => "written")));
