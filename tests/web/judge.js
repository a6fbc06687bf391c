// What the library thinks of schemas and geometries: is each sense or nonsense?
//
//   node judge.js FILE
//
// FILE is JSON: an array of {what: "schema" | "geometry", hex, asked}. `asked` are questions about
// a geometry: points, and centres with interest classes. Prints the verdicts: null for nonsense,
// else the answers.

import { readFileSync } from "node:fs";

import { decode } from "../../client_demo/web/shoal/cbor.js";
import { RemoteProtocolError } from "../../client_demo/web/shoal/errors.js";
import { Geometry } from "../../client_demo/web/shoal/geometry.js";
import { Schema } from "../../client_demo/web/shoal/schema.js";
import { fromHex } from "./vectors.js";

function answers(geometry, { points, centres }) {
  return {
    cells: points.map(([x, y]) => geometry.cellOf(x, y)),
    owners: points.map(([x, y]) => geometry.shardOf(geometry.cellOf(x, y))),
    origins: centres.map(([cell]) => geometry.cellOrigin(cell)),
    interests: centres.map(([cell, radius]) => geometry.interestCells(cell, radius)),
    rects: geometry.leaves.map(({ shard }) => Object.values(geometry.rect(shard))),
  };
}

function verdict({ what, hex, asked }) {
  const data = decode(fromHex(hex));
  try {
    if (what === "geometry") {
      const geometry = Geometry.fromData(data);
      return asked ? answers(geometry, asked) : true;
    }
    Schema.fromData(data);
    return true;
  } catch (error) {
    if (error instanceof RemoteProtocolError) return null;
    throw error;
  }
}

const questions = JSON.parse(readFileSync(process.argv[2], "utf8"));
console.log(JSON.stringify(questions.map(verdict)));
