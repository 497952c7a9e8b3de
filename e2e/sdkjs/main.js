// What tests run in pods: an AWS SDK for JavaScript that nobody has told anything. As e2e/sdkpod does, it reads an object and tries to
// write it, as often as it is asked to over HTTP, with credentials that it gets anew each time.
import { createServer } from "node:http";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";

const object = { Bucket: "sdkpod-data", Key: "file" };

const answers = {
  "/credentials": async (s3) => {
    const { accessKeyId, $source } = await s3.config.credentials();
    return `${Object.keys($source)} ${accessKeyId}`;
  },
  "/read": async (s3) => (await s3.send(new GetObjectCommand(object))).Body.transformToString(),
  "/write": async (s3) => s3.send(new PutObjectCommand({ ...object, Body: "x" })).then(() => "written"),
};

createServer(async (request, response) => {
  const ask = answers[request.url] ?? (async () => "nobody knows");
  const said = await ask(new S3Client({ maxAttempts: 2 })).catch((e) => `error: ${e.name}: ${e.message}`);
  response.end(said + "\n");
}).listen(8080);

for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => process.exit(0)); // which process 1 does not do by itself
