"""Reads the .proto files, refuses what the wire contract forbids, and names everything."""
import pathlib
import re
import subprocess
import tempfile

from google.protobuf import descriptor_pb2

FieldType = descriptor_pb2.FieldDescriptorProto

# protobuf type: (Swift type, protobuf-c's own spelling being the same memory)
SCALARS = {
    FieldType.TYPE_INT32: "Int32", FieldType.TYPE_SINT32: "Int32", FieldType.TYPE_SFIXED32: "Int32",
    FieldType.TYPE_INT64: "Int64", FieldType.TYPE_SINT64: "Int64", FieldType.TYPE_SFIXED64: "Int64",
    FieldType.TYPE_UINT32: "UInt32", FieldType.TYPE_FIXED32: "UInt32",
    FieldType.TYPE_UINT64: "UInt64", FieldType.TYPE_FIXED64: "UInt64",
    FieldType.TYPE_BOOL: "Bool", FieldType.TYPE_STRING: "String", FieldType.TYPE_BYTES: "[UInt8]",
}

SWIFT_KEYWORDS = set("""
    associatedtype class deinit enum extension fileprivate func import init inout internal let open operator private
    precedencegroup protocol public rethrows static struct subscript typealias var break case catch continue default
    defer do else fallthrough for guard if in repeat return throw switch where while Any as await false is nil self Self
    super throws true try""".split())
# Names that the generated code or the compiler uses itself, so that a type of that name would capture them.
RESERVED_TYPES = set("""
    Any Arena Array Bool CallOptions CaseIterable Channel Checked Equatable Hashable Idempotency Int Int32 Int64 Method
    MethodDescriptor Optional Protocol RPCError Response Self Sendable String StaticString Type UInt32 UInt64 UInt8
    UnsafeMutablePointer UnsafePointer UnsafeRawBufferPointer Void WireBuffer WireCoded WireEnum WireFieldValue
    WireLimits WireMessage WireReflection""".split())
RESERVED_FIELDS = set("""
    arena base c decode descriptor encode encoded fields fill fingerprint hash hashValue init limits messageName pack
    self type wireFields""".split())
# What protoc-c puts an underscore after.
C_KEYWORDS = set("""
    and and_eq asm auto bitand bitor bool break case catch char class compl const const_cast continue default delete do
    double dynamic_cast else enum explicit extern false float for friend goto if inline int long mutable namespace new
    not not_eq operator or or_eq private protected public register reinterpret_cast return short signed sizeof static
    static_cast struct switch template this throw true try typedef typeid typename union unsigned using virtual void
    volatile wchar_t while xor xor_eq""".split())
ACRONYMS = {"Id": "ID", "Ids": "IDs"}


class Refused(Exception):
    """One line that says what the schema must not do, and where."""


def upper_camel(name):
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


def lower_camel(name):
    first, *rest = name.split("_")
    return first + "".join(ACRONYMS.get(part.capitalize(), part.capitalize()) for part in rest)


def quoted(name):
    return f"`{name}`" if name in SWIFT_KEYWORDS else name


def snake(name):
    """CamelCase to snake_case as protoc-c does it for the names of functions."""
    text, was_upper = "", True
    for letter in name:
        if letter.isupper() and not was_upper:
            text += "_"
        text += letter.lower()
        was_upper = letter.isupper()
    return text


def fnv1a_32(text):
    value = 0x811C9DC5
    for byte in text.encode():
        value = ((value ^ byte) * 0x01000193) & 0xFFFFFFFF
    return value


class Comments:
    def __init__(self, file):
        self.by_path = {}
        for location in file.source_code_info.location:
            text = location.leading_comments or location.trailing_comments
            if text:
                self.by_path[tuple(location.path)] = [line.strip() for line in text.strip("\n").splitlines()]

    def __call__(self, *path):
        return self.by_path.get(path, [])


class Package:
    """A proto package, which is one file here: `billing.order.v1` is `OrderV1` in Swift."""

    def __init__(self, file):
        self.file = file
        comments = Comments(file)
        self.path = file.name
        self.name = file.package
        self.swift = "".join(part.capitalize() for part in file.package.split(".")[1:])
        self.doc = comments(12)
        self.enums = [Enum(self, each, index, comments) for index, each in enumerate(file.enum_type)]
        self.messages = [Message(self, each, index, comments) for index, each in enumerate(file.message_type)]
        self.services = [Service(self, each, index, comments) for index, each in enumerate(file.service)]
        self.header = file.name.replace(".proto", ".pb-c.h")


# What BillingAPI's bound of a message's encoded size counts with (WireCoded.pack).
HIGHEST_FIELD = 2047


class Enum:
    def __init__(self, package, proto, index, comments):
        self.full_name = f"{package.name}.{proto.name}"
        self.name = proto.name
        self.swift = f"{package.swift}.{proto.name}"
        self.doc = comments(5, index)
        self.values = []
        prefix = snake(proto.name).upper() + "_"
        if proto.value[0].number != 0 or proto.value[0].name != prefix + "UNSPECIFIED":
            raise Refused(f"{self.full_name}: the first value must be {prefix}UNSPECIFIED = 0")
        if proto.options.allow_alias:
            raise Refused(f"{self.full_name}: two names for one number (allow_alias)")
        for position, value in enumerate(proto.value):
            if not value.name.startswith(prefix):
                raise Refused(f"{self.full_name}: value {value.name} must start with {prefix}")
            case = lower_camel(value.name[len(prefix):].lower())
            if not re.fullmatch(r"[a-z][A-Za-z0-9]*", case):
                raise Refused(f"{self.full_name}: value {value.name} gives no Swift name")
            if value.number < 0:
                raise Refused(f"{self.full_name}: value {value.name} is negative")
            self.values.append((case, value.name, value.number, comments(5, index, 2, position)))
        refuse_twins(self.full_name, "values", [(value[0], value[1]) for value in self.values])


class Field:
    def __init__(self, message, proto, doc, oneof):
        self.name = proto.name
        self.where = f"{message.full_name}.{proto.name}"
        self.number = proto.number
        self.type = proto.type
        self.type_name = proto.type_name.lstrip(".")
        self.swift = lower_camel(proto.name)
        self.c = proto.name.lower() + ("_" if proto.name.lower() in C_KEYWORDS else "")
        self.repeated = proto.label == FieldType.LABEL_REPEATED
        self.oneof = oneof
        self.doc = doc
        self.may_be_unspecified = "May be unspecified." in doc
        self.message = self.enum = None
        if proto.proto3_optional:
            raise Refused(f"{self.where}: protobuf-c knows no proto3 optional; use a oneof with this one member")
        if proto.number > HIGHEST_FIELD:
            raise Refused(f"{self.where}: field numbers go up to {HIGHEST_FIELD}, so that a tag takes two bytes")
        if proto.type in (FieldType.TYPE_FLOAT, FieldType.TYPE_DOUBLE):
            raise Refused(f"{self.where}: floating point; use an integer in the smallest unit")
        if proto.type == FieldType.TYPE_GROUP:
            raise Refused(f"{self.where}: a group; use a message")
        if proto.HasField("options") and proto.options.HasField("packed") and not proto.options.packed:
            raise Refused(f"{self.where}: [packed = false]")
        if not re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", proto.name):
            raise Refused(f"{self.where}: field names are lower_snake_case")
        if self.swift in RESERVED_FIELDS:
            raise Refused(f"{self.where}: the name is taken in generated code")

    @property
    def element(self):
        """The Swift type of one value."""
        return (self.message or self.enum).swift if self.message or self.enum else SCALARS[self.type]


class Oneof:
    """Several members become a Swift enum. One member is how presence is spelled: it becomes an Optional."""

    def __init__(self, message, proto, doc):
        self.name = proto.name
        self.swift = lower_camel(proto.name)
        self.type = upper_camel(proto.name)
        self.where = f"{message.full_name}.{proto.name}"
        self.doc = doc
        self.members = []


class Message:
    def __init__(self, package, proto, index, comments):
        self.full_name = f"{package.name}.{proto.name}"
        self.package = package
        self.name = proto.name
        self.swift = f"{package.swift}.{proto.name}"
        self.c = "__".join(part[:1].upper() + part[1:] for part in self.full_name.split("."))
        self.c_lower = "__".join(snake(part) for part in self.full_name.split("."))
        self.accessor = f"descriptor_of_{package.swift}_{proto.name}"
        self.doc = comments(4, index)
        self.is_request = proto.name.endswith("Request")
        for nested in proto.nested_type:
            what = "a map; use a repeated message" if nested.options.map_entry else "nested; declare it in the package"
            raise Refused(f"{self.full_name}.{nested.name}: {what}")
        for nested in proto.enum_type:
            raise Refused(f"{self.full_name}.{nested.name}: nested; declare it in the package")
        if proto.extension_range or proto.extension:
            raise Refused(f"{self.full_name}: extensions")
        self.oneofs = [
            Oneof(self, each, comments(4, index, 8, position)) for position, each in enumerate(proto.oneof_decl)]
        self.fields = []
        for position, each in enumerate(proto.field):
            oneof = self.oneofs[each.oneof_index] if each.HasField("oneof_index") else None
            field = Field(self, each, comments(4, index, 2, position), oneof)
            self.fields.append(field)
            if oneof:
                oneof.members.append(field)

    @property
    def slots(self):
        """The stored properties in order: fields, and a oneof of several members where its first member stands."""
        slots = []
        for field in self.fields:
            slot = field.oneof if field.oneof and len(field.oneof.members) > 1 else field
            if slot not in slots:
                slots.append(slot)
        return slots


class Method:
    def __init__(self, service, proto, doc):
        self.full_name = f"{service.full_name}/{proto.name}"
        self.name = proto.name
        self.swift = proto.name[:1].lower() + proto.name[1:]
        self.id = fnv1a_32(self.full_name)
        self.doc = doc
        self.input = proto.input_type.lstrip(".")
        self.output = proto.output_type.lstrip(".")
        levels = descriptor_pb2.MethodOptions
        self.idempotency = {
            levels.NO_SIDE_EFFECTS: ".read", levels.IDEMPOTENT: ".naturallyIdempotent",
            levels.IDEMPOTENCY_UNKNOWN: ".keyed",
        }[proto.options.idempotency_level]
        self.is_batch = "Limits: batch." in doc
        if proto.client_streaming or proto.server_streaming:
            raise Refused(f"{self.full_name}: streams; use pages")
        if self.swift in ("all", "channel", "self", "init"):
            raise Refused(f"{self.full_name}: the name is taken in generated code")


class Service:
    def __init__(self, package, proto, index, comments):
        self.full_name = f"{package.name}.{proto.name}"
        self.name = proto.name
        self.doc = comments(6, index)
        self.methods = [
            Method(self, each, comments(6, index, 2, position)) for position, each in enumerate(proto.method)]


class Schema:
    def __init__(self, descriptors):
        self.descriptors = descriptors
        self.packages = sorted((Package(file) for file in descriptors.file), key=lambda package: package.name)
        self.messages = {each.full_name: each for package in self.packages for each in package.messages}
        self.enums = {each.full_name: each for package in self.packages for each in package.enums}
        for message in self.messages.values():
            for field in message.fields:
                field.message = self.messages.get(field.type_name)
                field.enum = self.enums.get(field.type_name)
        for package in self.packages:
            for service in package.services:
                for method in service.methods:
                    method.input = self.messages[method.input]
                    method.output = self.messages[method.output]


def refuse_twins(where, what, names):
    seen = {}
    for swift, original in names:
        if swift in seen:
            raise Refused(f"{where}: {what} {seen[swift]} and {original} have one name, {swift}")
        seen[swift] = original


def refuse_recursion(schema):
    finished = set()

    def visit(message, path):
        if message in path:
            names = [each.full_name for each in path[path.index(message):] + [message]]
            raise Refused(f"{names[0]}: recursive through {' > '.join(names)}")
        if message not in finished:
            for field in message.fields:
                if field.message:
                    visit(field.message, path + [message])
            finished.add(message)

    for message in schema.messages.values():
        visit(message, [])


def check_file(file):
    if file.syntax != "proto3":
        raise Refused(f"{file.name}: not proto3")
    parts = file.package.split(".")
    if len(parts) < 2 or not file.name.startswith("/".join(parts) + "/"):
        raise Refused(f"{file.name}: package {file.package or '(none)'} must be the folder's name")
    if file.extension:
        extended = file.extension[0].extendee.lstrip(".")
        raise Refused(f"{file.name}: extends {extended}; custom options are not supported")
    if file.public_dependency:
        raise Refused(f"{file.name}: import public")
    for name in file.dependency:
        if not name.startswith(parts[0] + "/"):
            raise Refused(f"{file.name}: imports {name}; custom options and foreign messages are not supported")


def check_names(schema):
    refuse_twins("schema", "packages", [(each.swift, each.name) for each in schema.packages])
    for package in schema.packages:
        declared = [(each.name, each.name) for each in package.messages + package.enums]
        declared += [(each.name, f"service {each.name}") for each in package.services]
        declared += [(each.name + "Client", f"client of {each.name}") for each in package.services]
        refuse_twins(package.name, "types", declared)
        for swift, original in declared:
            if swift in RESERVED_TYPES:
                raise Refused(f"{package.name}.{original}: the name is taken in generated code")
            if not re.fullmatch(r"[A-Z][A-Za-z0-9]*", swift):
                raise Refused(f"{package.name}.{original}: type names are UpperCamelCase")
        for message in package.messages:
            refuse_twins(message.full_name, "fields", [(slot.swift, slot.name) for slot in message.slots])
            refuse_twins(
                message.full_name, "C members",
                [(field.c, field.name) for field in message.fields]
                + [("n_" + field.c, f"count of {field.name}") for field in message.fields if field.repeated]
                + [(oneof.name + "_case", f"case of {oneof.name}") for oneof in message.oneofs])
        for service in package.services:
            refuse_twins(service.full_name, "methods", [(each.swift, each.name) for each in service.methods])


def check_methods(schema):
    by_id = {}
    for package in schema.packages:
        for service in package.services:
            for method in service.methods:
                if method.id in by_id:
                    raise Refused(f"{method.full_name}: its id {method.id:08x} is {by_id[method.id]}'s too; rename it")
                by_id[method.id] = method.full_name


def load(root: pathlib.Path):
    names = sorted(str(path.relative_to(root)) for path in root.glob("*/**/*.proto"))
    if not names:
        raise Refused(f"no .proto files below {root}")
    with tempfile.TemporaryDirectory() as directory:
        out = pathlib.Path(directory) / "descriptors"
        run = subprocess.run(
            ["protoc", "-I", str(root), "--include_source_info", f"--descriptor_set_out={out}", *names],
            capture_output=True, text=True)
        if run.returncode != 0:
            raise Refused((run.stderr.strip().splitlines() or ["protoc failed"])[0])
        descriptors = descriptor_pb2.FileDescriptorSet.FromString(out.read_bytes())
    for file in descriptors.file:
        check_file(file)
    schema = Schema(descriptors)
    check_names(schema)
    refuse_recursion(schema)
    check_methods(schema)
    return schema
