@PROGRAM@
;{
    // Reads the arguments of a function, one JSON value a line; prints its result as JSON.
    const asJson = (value) => {
        if (typeof value === 'bigint') return String(value);
        if (Array.isArray(value) || ArrayBuffer.isView(value)) return `[${Array.from(value, asJson).join(',')}]`;
        return JSON.stringify(value) ?? 'null';
    };
    const method = (owner) => (typeof owner.@NAME@ === 'function' ? owner : new owner());
    const call = (...given) => (typeof @NAME@ === 'function' ? @NAME@(...given) : method(Solution).@NAME@(...given));
    const chunks = [];
    const write = process.stdout.write.bind(process.stdout);
    process.stdin.on('data', (chunk) => chunks.push(chunk));
    process.stdin.on('end', async () => {
        const lines = Buffer.concat(chunks).toString().split('\n').filter((line) => line.trim());
        const result = await call(...lines.map((line) => JSON.parse(line)));
        write(`\n\x1e${asJson(result)}\n`);
    });
}
